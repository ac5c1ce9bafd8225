# What calls take from the heap. Not with sanitizers: they have their own, and
# pools are off (runtime/base/pool.h).
if(MUSTER_SANITIZE)
    return()
endif()
add_library(alloc_watch SHARED ../support/alloc_watch.c)
target_include_directories(alloc_watch PUBLIC ../support)
set_target_properties(alloc_watch PROPERTIES C_VISIBILITY_PRESET default)
target_compile_options(alloc_watch PRIVATE -fno-builtin-malloc
                       -fno-builtin-calloc -fno-builtin-realloc)
test_module(alloc_handlers SOURCE alloc_handlers.c NAME alloc_handlers)
target_include_directories(alloc_handlers PRIVATE ../support)
# in front of the C library
muster_test(NAME it_allocs LABEL loop TIMEOUT 120 SOURCES it_allocs.c
            LINK alloc_watch rig)
target_compile_definitions(it_allocs PRIVATE
    ALLOC_WATCH="$<TARGET_FILE:alloc_watch>"
    ALLOC_HANDLERS="$<TARGET_FILE:alloc_handlers>")
add_dependencies(it_allocs alloc_handlers)

# The tests of calls that handlers make, and of what processes share.
test_module(inner_handlers SOURCE inner_handlers.c NAME inner_handlers)
foreach(name it_inner it_blobs it_channels it_interrupt)
    if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${name}.c)
        loop_test(${name} 60)
        target_compile_definitions(${name} PRIVATE
            INNER_HANDLERS="$<TARGET_FILE:inner_handlers>")
        add_dependencies(${name} inner_handlers)
    endif()
endforeach()

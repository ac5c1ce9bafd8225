# The tests of calls that handlers make, and of what processes share.
test_module(inner_handlers SOURCE inner_handlers.c NAME inner_handlers)
foreach(name it_inner it_inner_credit it_inner_posts it_blobs it_channels
        it_interrupt)
    if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${name}.c)
        loop_test(${name} 60)
        target_compile_definitions(${name} PRIVATE
            INNER_HANDLERS="$<TARGET_FILE:inner_handlers>")
        add_dependencies(${name} inner_handlers)
    endif()
endforeach()
target_link_options(it_inner PRIVATE LINKER:--wrap=pthread_create)
target_sources(it_inner PRIVATE ../support/no_threads.c)
target_link_options(it_blobs PRIVATE LINKER:--wrap=tsearch)
loop_test(it_blobs_shared 60)
target_sources(it_blobs_shared PRIVATE
    ../support/bulk_rig.c ../support/relay.c)
target_compile_definitions(it_blobs_shared PRIVATE
    INNER_HANDLERS="$<TARGET_FILE:inner_handlers>"
    BULK_HANDLERS="$<TARGET_FILE:bulk_handlers>")
add_dependencies(it_blobs_shared inner_handlers bulk_handlers)

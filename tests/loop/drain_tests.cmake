# The tests of workers that drain, and of their successors.
test_module(drain_handlers SOURCE drain_handlers.c NAME drain_handlers)
foreach(test it_drain it_replace)
    loop_test(${test} 60)
    target_compile_definitions(${test} PRIVATE
        DRAIN_HANDLERS="$<TARGET_FILE:drain_handlers>")
    add_dependencies(${test} drain_handlers)
endforeach()

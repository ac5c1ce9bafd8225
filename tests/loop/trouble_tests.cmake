# What is known of workers that ended, and trouble of the manager's own.
loop_test(it_blackbox 120)
test_module(loop_trouble SOURCE trouble_script.c NAME trouble)
add_library(jumping_clock MODULE ../support/jumping_clock.c)
set(trouble_slow 1)
if(MUSTER_SANITIZE)
    set(trouble_slow 0) # they have to be the first that is loaded
endif()
add_test(NAME it_trouble
         COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/it_trouble.sh
                 $<TARGET_FILE:muster-tool> $<TARGET_FILE:muster-worker>
                 $<TARGET_FILE:loop_trouble> $<TARGET_FILE:jumping_clock>
                 ${PROJECT_SOURCE_DIR}/tests/support
                 ${PROJECT_SOURCE_DIR}/runtime/man/muster-events.5
                 ${trouble_slow})
set_tests_properties(it_trouble PROPERTIES LABELS loop TIMEOUT 240)

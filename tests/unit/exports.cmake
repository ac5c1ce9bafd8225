add_test(NAME ut_exports
         COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/exports.sh
                 $<TARGET_FILE:muster-tool> $<TARGET_FILE:muster-worker>
                 $<TARGET_FILE:muster> ${PROJECT_SOURCE_DIR}/include)
set_tests_properties(ut_exports PROPERTIES LABELS unit TIMEOUT 30)

# The tests of connections: cut, still, and by those who should not connect.
add_executable(relay_worker ../support/relay_worker.c)
loop_test(it_link 60)
target_sources(it_link PRIVATE ../support/relay.c)
target_compile_definitions(it_link PRIVATE
    TRUE_WORKER="$<TARGET_FILE:muster-worker>"
    RELAY_WORKER_PROGRAM="$<TARGET_FILE:relay_worker>")
add_dependencies(it_link relay_worker)
add_executable(bad_worker ../support/bad_worker.c)
target_include_directories(bad_worker PRIVATE ${PROJECT_SOURCE_DIR}/runtime)
target_link_libraries(bad_worker PRIVATE muster_static)
loop_test(it_bad_worker 60)
target_compile_definitions(it_bad_worker PRIVATE
    TRUE_WORKER="$<TARGET_FILE:muster-worker>"
    BAD_WORKER="$<TARGET_FILE:bad_worker>")
add_dependencies(it_bad_worker bad_worker)
loop_test(it_strangers 60)
target_compile_definitions(it_strangers PRIVATE
    TRUE_WORKER="$<TARGET_FILE:muster-worker>")
test_module(resume_handlers SOURCE resume_handlers.c NAME resume_handlers)
loop_test(it_resume 240)
target_sources(it_resume PRIVATE ../support/relay.c resume_handlers.c)
target_compile_definitions(it_resume PRIVATE
    RESUME_HANDLERS="$<TARGET_FILE:resume_handlers>")
add_dependencies(it_resume resume_handlers)

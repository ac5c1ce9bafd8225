# The tests of connections: cut, still, and by those who should not connect.
add_executable(relay_worker ../support/relay_worker.c)
muster_test(NAME it_carrier LABEL loop TIMEOUT 60 SOURCES it_carrier.c
            LINK muster_static)
target_include_directories(it_carrier PRIVATE ../unit)
loop_test(it_link 60)
target_sources(it_link PRIVATE ../support/relay.c)
target_compile_definitions(it_link PRIVATE
    TRUE_WORKER="$<TARGET_FILE:muster-worker>"
    RELAY_WORKER_PROGRAM="$<TARGET_FILE:relay_worker>")
add_dependencies(it_link relay_worker)
test_module(module_canary SOURCE ../support/canary.c NAME canary
            DEFINE CANARY_TRACE="${CMAKE_CURRENT_BINARY_DIR}/canary.bad")
add_executable(bad_worker ../support/bad_worker.c ../support/liar.c)
target_include_directories(bad_worker PRIVATE ${PROJECT_SOURCE_DIR}/runtime)
target_link_libraries(bad_worker PRIVATE muster_static)
loop_test(it_bad_worker 60)
target_compile_definitions(it_bad_worker PRIVATE
    TRUE_WORKER="$<TARGET_FILE:muster-worker>"
    BAD_WORKER="$<TARGET_FILE:bad_worker>"
    CANARY_MODULE="$<TARGET_FILE:module_canary>"
    CANARY_TRACE="${CMAKE_CURRENT_BINARY_DIR}/canary.bad")
add_dependencies(it_bad_worker bad_worker module_canary)
loop_test(it_liar 120)
target_compile_definitions(it_liar PRIVATE
    BAD_WORKER="$<TARGET_FILE:bad_worker>"
    CANARY_MODULE="$<TARGET_FILE:module_canary>"
    CANARY_TRACE="${CMAKE_CURRENT_BINARY_DIR}/canary.bad")
add_dependencies(it_liar bad_worker module_canary)
loop_test(it_strangers 60)
target_compile_definitions(it_strangers PRIVATE
    TRUE_WORKER="$<TARGET_FILE:muster-worker>")
add_executable(attacker ../support/attacker.c)
target_link_libraries(attacker PRIVATE PkgConfig::ZMQ PkgConfig::SODIUM)
loop_test(it_attack 180)
target_compile_definitions(it_attack PRIVATE
    ATTACKER="$<TARGET_FILE:attacker>")
target_sources(it_attack PRIVATE ../support/attack.c)
target_link_libraries(it_attack PRIVATE PkgConfig::ZMQ PkgConfig::SODIUM)
add_dependencies(it_attack attacker)
set_tests_properties(it_attack PROPERTIES RUN_SERIAL ON)
loop_test(it_secrets 60)
target_compile_definitions(it_secrets PRIVATE
    API_SERVER="${PROJECT_SOURCE_DIR}/tests/support/apiserver.py")
set_tests_properties(it_secrets PROPERTIES SKIP_RETURN_CODE 77)
test_module(resume_handlers SOURCE resume_handlers.c NAME resume_handlers)
foreach(name it_resume it_cut)
    loop_test(${name} 400)
    target_sources(${name} PRIVATE ../support/resume_rig.c ../support/relay.c
                                   resume_handlers.c)
    target_include_directories(${name} PRIVATE .)
    target_compile_definitions(${name} PRIVATE
        RESUME_HANDLERS="$<TARGET_FILE:resume_handlers>")
    add_dependencies(${name} resume_handlers)
endforeach()
test_module(bulk_handlers SOURCE bulk_handlers.c NAME bulk_handlers)
foreach(name it_bulk it_bulk_port)
    loop_test(${name} 120)
    target_sources(${name} PRIVATE ../support/bulk_rig.c ../support/relay.c)
    target_compile_definitions(${name} PRIVATE
        BULK_HANDLERS="$<TARGET_FILE:bulk_handlers>")
    add_dependencies(${name} bulk_handlers)
endforeach()
target_compile_definitions(it_nomem PRIVATE
    BULK_HANDLERS="$<TARGET_FILE:bulk_handlers>")
add_dependencies(it_nomem bulk_handlers)
add_executable(nomem_worker ../support/nomem_worker.c)
target_include_directories(nomem_worker PRIVATE
    ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/runtime)
muster_objects(nomem_worker PRIVATE ${worker_parts})
set_target_properties(nomem_worker PROPERTIES ENABLE_EXPORTS ON)
foreach(name it_relay it_relay_faults it_relay_foes it_relay_memory)
    loop_test(${name} 240)
    target_sources(${name} PRIVATE
        ../support/cast.c ../support/bulk_rig.c ../support/relay.c)
    target_compile_definitions(${name} PRIVATE
        BULK_HANDLERS="$<TARGET_FILE:bulk_handlers>")
    add_dependencies(${name} bulk_handlers)
endforeach()
target_compile_definitions(it_relay_memory PRIVATE
    NOMEM_WORKER="$<TARGET_FILE:nomem_worker>")
add_dependencies(it_relay_memory nomem_worker)

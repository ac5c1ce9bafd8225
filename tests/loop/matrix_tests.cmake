# Every operation in every trouble.
test_module(matrix_handlers SOURCE matrix_handlers.c NAME matrix_handlers)
loop_test(it_matrix 240)
target_sources(it_matrix PRIVATE matrix_operations.c ../support/relay.c)
target_compile_definitions(it_matrix PRIVATE
    MATRIX_HANDLERS="$<TARGET_FILE:matrix_handlers>"
    A_MODULE="$<TARGET_FILE:module_second>"
    BAD_MODULE="$<TARGET_FILE:module_init>"
    TRUE_WORKER="$<TARGET_FILE:muster-worker>"
    RELAY_WORKER_PROGRAM="$<TARGET_FILE:relay_worker>")
add_dependencies(it_matrix matrix_handlers module_second module_init
                 relay_worker)

# The tests of map.
test_module(map_handlers SOURCE map_handlers.c NAME map_handlers)
loop_test(it_map 60)
target_compile_definitions(it_map PRIVATE
    MAP_HANDLERS="$<TARGET_FILE:map_handlers>")
add_dependencies(it_map map_handlers)

# The tests of map.
test_module(map_handlers SOURCE map_handlers.c NAME map_handlers)
foreach(name it_map it_map_failures)
    loop_test(${name} 60)
    target_sources(${name} PRIVATE ../support/map_rig.c)
    target_compile_definitions(${name} PRIVATE
        MAP_HANDLERS="$<TARGET_FILE:map_handlers>")
    add_dependencies(${name} map_handlers)
endforeach()

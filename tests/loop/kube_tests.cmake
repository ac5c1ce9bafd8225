# The client of the API server, against one that does as it is told.
add_library(kube_rig STATIC
    ../support/kube_rig.c ../support/scripted.c)
target_include_directories(kube_rig PUBLIC ../support
                           ${PROJECT_SOURCE_DIR}/runtime)
target_compile_definitions(kube_rig PRIVATE
    SCRIPTED_PY="${PROJECT_SOURCE_DIR}/tests/support/scripted.py")
target_link_libraries(kube_rig PUBLIC muster_static PkgConfig::CMOCKA)

foreach(name it_kube_http it_kube_retry it_kube_stream it_kube_tls it_kube_watch)
    if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${name}.c)
        muster_test(NAME ${name} LABEL loop TIMEOUT 120 SOURCES ${name}.c
                    LINK kube_rig)
    endif()
endforeach()

# What libsac links, as target sac_dependencies. Each is a small, stable C library of the distribution.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

add_library(sac_dependencies INTERFACE)
target_link_libraries(sac_dependencies INTERFACE -lm Threads::Threads ${CMAKE_DL_LIBS})
foreach(module yaml-0.1 jansson libprotobuf-c libisal)
  string(MAKE_C_IDENTIFIER dependency_${module} name)
  pkg_check_modules(${name} QUIET IMPORTED_TARGET ${module})
  if(NOT ${name}_FOUND)
    message(FATAL_ERROR "${module} not found: run scripts/setup")
  endif()
  target_link_libraries(sac_dependencies INTERFACE PkgConfig::${name})
endforeach()

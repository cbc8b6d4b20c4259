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

# Random123 is headers alone. Installed headers do not need it.
find_path(SAC_RANDOM123 Random123/philox.h)
mark_as_advanced(SAC_RANDOM123)
if(NOT SAC_RANDOM123)
  message(FATAL_ERROR "Random123/philox.h not found: run scripts/setup")
endif()
if(NOT SAC_RANDOM123 IN_LIST CMAKE_C_IMPLICIT_INCLUDE_DIRECTORIES)
  target_include_directories(sac_dependencies SYSTEM INTERFACE ${SAC_RANDOM123})
endif()

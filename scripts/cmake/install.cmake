# Installing and finding libsac: find_package(sac) gives sac::sac and sac::policy, pkg-config gives sac.pc and
# sac_policy.pc. Everything is relative to the prefix, so an installed tree can be moved. With SAC_POLICY_ONLY there is
# only sac::policy.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/sac)

set(exported sac_policy)
set(modules sac_policy)
set_target_properties(sac_policy PROPERTIES EXPORT_NAME policy)
add_library(sac::policy ALIAS sac_policy)
if(TARGET sac)
  list(APPEND exported sac)
  list(APPEND modules sac)
  add_library(sac::sac ALIAS sac)
endif()
install(TARGETS ${exported} EXPORT sac-targets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET sac_program)
  install(TARGETS sac_program DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
if(TARGET sac_gym)
  install(TARGETS sac_gym LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/sac)
endif()
if(TARGET sac)
  install(DIRECTORY include/sac DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
else()
  install(FILES include/sac/policy.h include/sac/export.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/sac)
endif()
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

install(EXPORT sac-targets NAMESPACE sac:: DESTINATION ${package_dir})
configure_package_config_file(scripts/cmake/sac-config.cmake.in ${PROJECT_BINARY_DIR}/sac-config.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/sac-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/sac-config.cmake ${PROJECT_BINARY_DIR}/sac-config-version.cmake
  DESTINATION ${package_dir})

file(RELATIVE_PATH pc_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" pc_to_prefix "${pc_to_prefix}")
foreach(module IN LISTS modules)
  configure_file(scripts/cmake/${module}.pc.in ${PROJECT_BINARY_DIR}/${module}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${module}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

# The manual pages, from the program's own help texts: build/<preset>/man/sac.1 and sac-COMMAND.1, installed with the
# program. They are left out where the program does not run when it is built: a cross build, or sanitizers.
if(NOT TARGET sac_program OR CMAKE_CROSSCOMPILING OR SAC_SANITIZE)
  return()
endif()
find_program(SAC_PYTHON3 python3 DOC "Python that makes the manual pages")
mark_as_advanced(SAC_PYTHON3)
if(NOT SAC_PYTHON3)
  message(STATUS "Manual pages: not made, there is no python3")
  return()
endif()
set(manual ${PROJECT_BINARY_DIR}/man)
set(manual_script ${PROJECT_SOURCE_DIR}/scripts/cmake/manual.py)
add_custom_command(
  OUTPUT ${manual}.stamp
  COMMAND ${SAC_PYTHON3} ${manual_script} $<TARGET_FILE:sac_program> ${manual}
  COMMAND ${CMAKE_COMMAND} -E touch ${manual}.stamp
  DEPENDS sac_program ${manual_script}
  COMMENT "Making the manual pages" VERBATIM)
add_custom_target(sac_manual ALL DEPENDS ${manual}.stamp)
install(DIRECTORY ${manual}/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 FILES_MATCHING PATTERN "*.1")

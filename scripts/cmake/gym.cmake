# sac_gym.so, the module for Gymnasium's environments: against Python's limited API, so that one build serves every later
# Python. Its symbols of Python come from the libpython that the user's Python names, at run time (src/env/gym.c).
set_source_files_properties(src/env/gym.c PROPERTIES COMPILE_DEFINITIONS "SAC_LIBDIR=\"${SAC_LIBDIR}\"")
set(SAC_GYM AUTO CACHE STRING "Gymnasium module: AUTO (when Python's headers are found), ON or OFF")
set_property(CACHE SAC_GYM PROPERTY STRINGS AUTO ON OFF)
if(NOT SAC_GYM MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "SAC_GYM is '${SAC_GYM}'; it takes AUTO, ON or OFF")
endif()
if(SAC_GYM STREQUAL "OFF")
  return()
endif()
# Any Python's headers, of 3.11 or newer. (FindPython3 takes the first Python alone, with headers or without.)
set(python_headers "")
foreach(python ${PROJECT_SOURCE_DIR}/.venv/bin/python python3 /usr/bin/python3)
  execute_process(
    COMMAND ${python} -c "import sys, sysconfig; print(sysconfig.get_path('include') if sys.version_info >= (3, 11) else '')"
    OUTPUT_VARIABLE folder OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed ERROR_QUIET)
  if(failed EQUAL 0 AND folder AND EXISTS ${folder}/Python.h)
    set(python_headers ${folder})
    break()
  endif()
endforeach()
if(NOT python_headers)
  if(SAC_GYM STREQUAL "ON")
    message(FATAL_ERROR "SAC_GYM is ON and Python's headers (3.11 or newer) were not found: run scripts/setup")
  endif()
  message(STATUS "Gymnasium: not built, Python's headers are missing (scripts/setup installs them)")
  return()
endif()

set(bridge ${PROJECT_SOURCE_DIR}/src/env/gym/bridge.py ${PROJECT_SOURCE_DIR}/src/env/gym/choices.py
    ${PROJECT_SOURCE_DIR}/src/env/gym/errors.py
    ${PROJECT_SOURCE_DIR}/src/env/gym/generators.py ${PROJECT_SOURCE_DIR}/src/env/gym/local.py
    ${PROJECT_SOURCE_DIR}/src/env/gym/record.py ${PROJECT_SOURCE_DIR}/src/env/gym/spaces.py
    ${PROJECT_SOURCE_DIR}/src/env/gym/values.py
    ${PROJECT_SOURCE_DIR}/src/env/gym/workers.py)
set(embedded_gym ${PROJECT_BINARY_DIR}/generated/embedded_gym.c)
add_custom_command(
  OUTPUT ${embedded_gym}
  COMMAND ${CMAKE_COMMAND} "-DFILES=${bridge}" -DOUTPUT=${embedded_gym} -DTABLE=gym -P ${PROJECT_SOURCE_DIR}/scripts/cmake/embed.cmake
  DEPENDS ${bridge} ${PROJECT_SOURCE_DIR}/scripts/cmake/embed.cmake
  COMMENT "Embedding the Python files of src/env/gym" VERBATIM)
add_library(sac_gym MODULE src/env/gym/module.c ${embedded_gym})
set_target_properties(sac_gym PROPERTIES PREFIX "")
target_link_libraries(sac_gym PRIVATE sac_flags)
# Later headers call parts of the limited API deprecated, whose replacements 3.11 does not have; they stay in the library.
target_compile_options(sac_gym PRIVATE -Wno-deprecated-declarations)
target_include_directories(sac_gym SYSTEM PRIVATE ${python_headers})
message(STATUS "Gymnasium: sac_gym.so against ${python_headers}")

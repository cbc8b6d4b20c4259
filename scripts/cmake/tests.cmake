# Tests, all found by name:
#   tests/test_<stem>.c        one Check executable each, linked with the static library       label unit
#   tests/test_cli_<stem>.c    as the C ones, with src/cli/<stem>.c, which no library has
#   tests/test_<stem>.py       one Python program each, run with .venv's Python                label program
#   tests/examples/<stem>.c    a user's program: the shared library and the public headers     label unit
#   tests/examples/plugin/<stem>.c, tests/support/plugins/<stem>.c    libraries that tests load: tests/plugins
#   tests/fuzz/fuzz_<stem>.c   readers and calls under libFuzzer; elsewhere its corpus is replayed      label fuzz, unit
#   tests/test_cuda_<stem>.c   as the C ones, where there is a CUDA toolkit, and with          label cuda,
#   tests/test_cuda_<stem>.cu  SAC_CUDA=HOST; test_cuda_host*.cu are of the latter only        there unit too
#   tests/test_gpu_<stem>.py   with SAC_CUDA=HOST alone: what a machine with a device runs     label cuda
#   tests/gpu/micro.*          sac_micro, what a device can do: not a test, but run once       label cuda
# A comment in a test file changes that, read when CMake configures:
#   "ctest: label=learning timeout=600 processors=2 serial one-thread"
# one-thread, of a C test: sac starts no thread in it (where it does, the test fails), so the thread sanitizer leaves it out.
# Labels: unit (also run under the sanitizers), program (runs the sac program), learning (trains), fuzz.
# Exit code 77 is a skip.
if(NOT SAC_TESTS MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "SAC_TESTS is '${SAC_TESTS}'; it takes AUTO, ON or OFF")
endif()
if(SAC_TESTS STREQUAL "OFF" OR (SAC_TESTS STREQUAL "AUTO" AND NOT PROJECT_IS_TOP_LEVEL))
  return()
endif()
pkg_check_modules(check QUIET IMPORTED_TARGET check)
sac_check_language(CXX)
if(NOT check_FOUND OR NOT CMAKE_CXX_COMPILER)
  if(SAC_TESTS STREQUAL "ON")
    message(FATAL_ERROR "Check or a C++ compiler not found: run scripts/setup --test")
  endif()
  message(STATUS "Tests: not built, Check or a C++ compiler is missing (scripts/setup --test installs them)")
  return()
endif()
enable_language(CXX)
enable_testing()

set(test_dir ${PROJECT_BINARY_DIR}/tests)
set(test_environment SAC_SOURCE=${PROJECT_SOURCE_DIR} SAC_BUILD=${PROJECT_BINARY_DIR} SAC_PROGRAM=${PROJECT_BINARY_DIR}/sac
  PYTHONDONTWRITEBYTECODE=1 UBSAN_OPTIONS=print_stacktrace=1
  OPENBLAS_NUM_THREADS=1) # none multiplies matrices in NumPy, whose threads make its import twice as long
if(SAC_SANITIZE)
  list(APPEND test_environment SAC_SANITIZED=1)
endif()
# The thread sanitizers before gcc 14 and clang 18 cannot place their shadow under the wider address randomisation of newer
# kernels: their tests run without randomisation, where the system lets them.
set(launcher "")
if(SAC_SANITIZE MATCHES "thread")
  execute_process(COMMAND setarch ${CMAKE_HOST_SYSTEM_PROCESSOR} -R true RESULT_VARIABLE fixed OUTPUT_QUIET ERROR_QUIET)
  if(fixed EQUAL 0)
    set(launcher setarch ${CMAKE_HOST_SYSTEM_PROCESSOR} -R)
  endif()
endif()
set(python_test ${PROJECT_SOURCE_DIR}/tests/support/python_test)

# Defines the ctest entry; file is where its "ctest:" comment may stand.
function(sac_add_test name file default_label)
  set(command ${ARGN})
  set(label ${default_label})
  set(timeout 120)
  if(SAC_SANITIZE OR CMAKE_BUILD_TYPE STREQUAL "Debug")
    set(timeout 600)
  endif()
  add_test(NAME ${name} COMMAND ${launcher} ${command} WORKING_DIRECTORY ${PROJECT_BINARY_DIR})
  file(STRINGS ${file} options REGEX "ctest: *[a-z]" LIMIT_COUNT 1)
  if(options MATCHES "label=([a-z,]+)")
    string(REPLACE "," ";" label ${CMAKE_MATCH_1})
  endif()
  if(options MATCHES "timeout=([0-9]+)")
    set(timeout ${CMAKE_MATCH_1})
    set_tests_properties(${name} PROPERTIES COST ${timeout}) # the longest begin first, so that none runs on alone at the end
  endif()
  if(options MATCHES "processors=([0-9]+)")
    set_tests_properties(${name} PROPERTIES PROCESSORS ${CMAKE_MATCH_1})
  endif()
  if(options MATCHES " one-thread")
    list(APPEND label one-thread)
    target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/support/one_thread/wrap.c)
    target_link_options(${name} PRIVATE -Wl,--wrap=pthread_create)
  endif()
  if(options MATCHES " serial")
    set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
  endif()
  set(environment ${test_environment})
  if(SAC_CUDA_HOST AND NOT "cuda" IN_LIST label)
    list(APPEND environment CUDA_VISIBLE_DEVICES=) # device: auto is the CPU for those that are about something else
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${label}" TIMEOUT ${timeout} SKIP_RETURN_CODE 77
    ENVIRONMENT "${environment}")
endfunction()

# The tests' own code is compiled for a short build: what they test is optimised as its users have it, and what is
# undefined is looked for there.
if(SAC_SANITIZE MATCHES "undefined")
  set(test_optimisation "$<$<COMPILE_LANGUAGE:C,CXX>:-O0;-fno-sanitize=undefined>")
elseif(SAC_SANITIZE)
  set(test_optimisation $<$<COMPILE_LANGUAGE:C,CXX>:-O0>)
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  set(test_optimisation $<$<COMPILE_LANGUAGE:C,CXX>:-O1>)
endif()

# What every test links: strict about the language, at ease with long tables and unused helpers.
add_library(sac_test_support INTERFACE)
target_include_directories(sac_test_support INTERFACE ${PROJECT_SOURCE_DIR}/tests)
target_link_libraries(sac_test_support INTERFACE sac_flags sac_static PkgConfig::check)
target_compile_options(sac_test_support INTERFACE $<$<COMPILE_LANGUAGE:C>:-Wno-float-conversion;-UNDEBUG> ${test_optimisation})

file(GLOB support_sources CONFIGURE_DEPENDS tests/support/*.c)
if(support_sources)
  add_library(sac_test_objects OBJECT ${support_sources})
  target_include_directories(sac_test_objects PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(sac_test_objects PRIVATE sac_flags PkgConfig::check)
  target_compile_options(sac_test_objects PRIVATE $<$<COMPILE_LANGUAGE:C>:-Wno-float-conversion;-UNDEBUG> ${test_optimisation})
  target_link_libraries(sac_test_support INTERFACE $<TARGET_OBJECTS:sac_test_objects>)
endif()

# The fuzz preset builds its targets alone.
if(NOT SAC_FUZZ)
  file(GLOB unit_tests CONFIGURE_DEPENDS tests/test_*.c)
  list(FILTER unit_tests EXCLUDE REGEX "/test_cuda_[^/]*$")
  if(SAC_HAVE_CUDA)
    file(GLOB cuda_tests CONFIGURE_DEPENDS tests/test_cuda_*.c tests/test_cuda_*.cu)
    if(NOT SAC_CUDA_HOST)
      list(FILTER cuda_tests EXCLUDE REGEX "/test_cuda_host[^/]*\\.cu$")
    endif()
    list(APPEND unit_tests ${cuda_tests})
    file(GLOB cuda_support CONFIGURE_DEPENDS tests/support/*.cu)
    if(cuda_support AND NOT SAC_CUDA_HOST)
      add_library(sac_test_cuda OBJECT ${cuda_support})
      target_link_libraries(sac_test_cuda PRIVATE sac_flags)
    endif()
  endif()
  foreach(file IN LISTS unit_tests)
    get_filename_component(stem ${file} NAME_WE)
    add_executable(${stem} ${file})
    set_target_properties(${stem} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${test_dir})
    target_link_libraries(${stem} PRIVATE sac_test_support)
    if(stem MATCHES "^test_cli_(.*)$") # a source of the program, which no library has
      target_sources(${stem} PRIVATE src/cli/${CMAKE_MATCH_1}.c)
    endif()
    set(label unit)
    if(stem MATCHES "^test_cuda_")
      set(label cuda)
      if(SAC_CUDA_HOST)
        list(APPEND label unit)
      endif()
    endif()
    sac_add_test(${stem} ${file} "${label}" ${test_dir}/${stem})
    if(stem MATCHES "^test_cuda_")
      set_property(TEST ${stem} APPEND PROPERTY ENVIRONMENT CK_FORK=no)
    endif()
  endforeach()

  if(SAC_HAVE_CUDA)
    if(SAC_CUDA_HOST)
      set_source_files_properties(tests/gpu/micro.cu PROPERTIES LANGUAGE CXX)
    endif()
    file(GLOB micro_sources CONFIGURE_DEPENDS tests/gpu/*.c)
    add_executable(sac_micro ${micro_sources} tests/gpu/micro.cu)
    set_target_properties(sac_micro PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${test_dir})
    target_link_libraries(sac_micro PRIVATE sac_test_support)
    sac_add_test(micro tests/gpu/micro.c cuda ${test_dir}/sac_micro --tiny)

    # What the tests labelled cuda need, and nothing else: scripts/test kernels builds this.
    add_custom_target(sac_cuda_tests)
    add_dependencies(sac_cuda_tests sac_micro sac_program)
    foreach(file IN LISTS cuda_tests)
      get_filename_component(stem ${file} NAME_WE)
      add_dependencies(sac_cuda_tests ${stem})
    endforeach()
    if(TARGET sac_gym)
      add_dependencies(sac_cuda_tests sac_gym)
    endif()
  endif()

  file(GLOB python_tests CONFIGURE_DEPENDS tests/test_*.py)
  if(NOT SAC_CUDA_HOST OR SAC_SANITIZE)
    list(FILTER python_tests EXCLUDE REGEX "/test_gpu_[^/]*$")
  endif()
  foreach(file IN LISTS python_tests)
    get_filename_component(stem ${file} NAME_WE)
    sac_add_test(${stem} ${file} program ${python_test} ${file})
  endforeach()

  file(GLOB examples CONFIGURE_DEPENDS tests/examples/*.c)
  foreach(file IN LISTS examples)
    get_filename_component(stem ${file} NAME_WE)
    add_executable(example_${stem} ${file})
    set_target_properties(example_${stem} PROPERTIES OUTPUT_NAME ${stem} RUNTIME_OUTPUT_DIRECTORY ${test_dir}/examples
      C_EXTENSIONS OFF)
    target_compile_options(example_${stem} PRIVATE -Wall -Wextra -pedantic $<$<BOOL:${SAC_WERROR}>:-Werror>)
    target_link_libraries(example_${stem} PRIVATE sac m)
    sac_add_test(example_${stem} ${file} unit ${test_dir}/examples/${stem})
  endforeach()

  # Environments of one's own, which the program loads: they see the public headers and link nothing of sac.
  file(GLOB plugins CONFIGURE_DEPENDS tests/examples/plugin/*.c tests/support/plugins/*.c)
  foreach(file IN LISTS plugins)
    get_filename_component(stem ${file} NAME_WE)
    add_library(plugin_${stem} MODULE ${file})
    set_target_properties(plugin_${stem} PROPERTIES OUTPUT_NAME ${stem} PREFIX "" LIBRARY_OUTPUT_DIRECTORY
      ${test_dir}/plugins C_EXTENSIONS OFF C_VISIBILITY_PRESET default)
    target_compile_options(plugin_${stem} PRIVATE -Wall -Wextra -pedantic $<$<BOOL:${SAC_WERROR}>:-Werror>)
    target_include_directories(plugin_${stem} PRIVATE include)
    target_link_libraries(plugin_${stem} PRIVATE m)
    if(file MATCHES "/examples/")
      set_target_properties(plugin_${stem} PROPERTIES PREFIX lib)
    endif()
  endforeach()

  # Every public header compiles alone, as C11 and as C++17.
  file(GLOB headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/include include/sac/*.h)
  set(header_sources "")
  foreach(header IN LISTS headers)
    string(MAKE_C_IDENTIFIER ${header} id)
    foreach(language c cpp)
      set(source ${PROJECT_BINARY_DIR}/generated/headers/${id}.${language})
      file(CONFIGURE OUTPUT ${source} CONTENT "#include <${header}>\n#include <${header}>\nextern int ${id}_${language};\nint ${id}_${language};\n")
      list(APPEND header_sources ${source})
    endforeach()
  endforeach()
  add_library(test_headers OBJECT ${header_sources})
  target_include_directories(test_headers PRIVATE include)
  set_target_properties(test_headers PROPERTIES C_STANDARD 11 C_EXTENSIONS OFF CXX_STANDARD 17 CXX_EXTENSIONS OFF)
  target_compile_options(test_headers PRIVATE -Wall -Wextra -pedantic $<$<BOOL:${SAC_WERROR}>:-Werror>)
endif()

# Fuzz targets: libFuzzer in the fuzz preset, a replay of the corpus in every other build. An input that takes 30 s hangs:
# the longest sequences of API calls take one second alone, and several on a busy machine.
file(GLOB fuzz_targets CONFIGURE_DEPENDS tests/fuzz/fuzz_*.c)
foreach(file IN LISTS fuzz_targets)
  get_filename_component(stem ${file} NAME_WE)
  string(REPLACE "fuzz_" "" subject ${stem})
  set(corpus ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${subject})
  if(SAC_FUZZ)
    add_executable(${stem} ${file})
    target_link_options(${stem} PRIVATE -fsanitize=fuzzer)
    file(MAKE_DIRECTORY ${test_dir}/found/${subject})
    sac_add_test(${stem} ${file} fuzz ${test_dir}/${stem} -max_total_time=${SAC_FUZZ_SECONDS} -timeout=30
      -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 -artifact_prefix=${test_dir}/${subject}-
      ${test_dir}/found/${subject} ${corpus})
  else()
    add_executable(${stem} ${file} ${PROJECT_SOURCE_DIR}/tests/fuzz/replay.c)
    sac_add_test(${stem} ${file} "unit" ${test_dir}/${stem} ${corpus})
  endif()
  set_target_properties(${stem} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${test_dir})
  target_link_libraries(${stem} PRIVATE sac_test_support)
endforeach()

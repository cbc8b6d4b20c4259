# How everything here is compiled: target sac_flags, and the instruction sets of the CPU kernels.
# No fast-math: a NaN must stay a NaN, and the same source must give the same bits in every build.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
if(NOT DEFINED CMAKE_POSITION_INDEPENDENT_CODE)
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
endif()
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_CUDA_VISIBILITY_PRESET hidden)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_C_FLAGS_RELEASE "-O3 -g -DNDEBUG")
set(CMAKE_C_FLAGS_DEBUG "-O0 -g3")
if(SAC_SANITIZE)
  # Instrumented code compiles four times faster so, and its reports still name file and line.
  set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O1 -g1 -DNDEBUG")
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g1 -DNDEBUG")
endif()

# Sanitized and debug builds are slow; tests read this to do fewer repetitions, never fewer kinds of checks.
add_library(sac_flags INTERFACE)
target_include_directories(sac_flags INTERFACE
  ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src ${PROJECT_BINARY_DIR}/generated)
target_compile_definitions(sac_flags INTERFACE _GNU_SOURCE)
# Where an installed program finds sac_gym.so: beside bin.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(SAC_LIBDIR lib)
else()
  set(SAC_LIBDIR ${CMAKE_INSTALL_LIBDIR})
endif()
set(arithmetic -fno-math-errno -ffp-contract=off -fno-trapping-math)
set(warnings -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wvla -Wundef
  -Wpointer-arith -Wwrite-strings -Wcast-qual -Wformat=2 -Wfloat-conversion -Wimplicit-fallthrough)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  list(APPEND warnings -Wlogical-op -Wduplicated-cond)
endif()
if(SAC_WERROR)
  list(APPEND warnings -Werror)
endif()
# The build's own path stays out of the binaries: the same commit gives the same bytes in any folder.
add_compile_options($<$<COMPILE_LANGUAGE:C>:-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=>)
target_compile_options(sac_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:${arithmetic};${warnings}>)

set(sac_shared_link_options -Wl,--no-undefined -Wl,-z,relro,-z,now)
if(SAC_SANITIZE)
  add_compile_options($<$<COMPILE_LANGUAGE:C,CXX>:-fsanitize=${SAC_SANITIZE}>
    $<$<COMPILE_LANGUAGE:C,CXX>:-fno-sanitize-recover=all> $<$<COMPILE_LANGUAGE:C,CXX>:-fno-omit-frame-pointer>)
  add_link_options(-fsanitize=${SAC_SANITIZE})
  target_compile_definitions(sac_flags INTERFACE SAC_SANITIZED=1)
  if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    # Instrumented code looks uninitialised, or too long, to gcc where it is not (its manual says so); the release build
    # still warns.
    target_compile_options(sac_flags INTERFACE
      $<$<COMPILE_LANGUAGE:C>:-Wno-maybe-uninitialized;-Wno-format-truncation>)
  endif()
  set(sac_shared_link_options "")  # clang leaves the sanitizer's symbols to the executable
endif()
if(SAC_FUZZ)
  add_compile_options($<$<COMPILE_LANGUAGE:C>:-fsanitize=fuzzer-no-link>)
endif()

# One file for each instruction set (gemm_avx512.c and its like); the choice is made at run time, by what the processor has.
# On other architectures the x86 files are left out: guard their use with __x86_64__.
function(sac_set_instruction_sets list)
  set(files ${${list}})
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    foreach(file IN LISTS files)
      if(file MATCHES "_avx2\\.c$")
        set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma;-mprfchw")
      elseif(file MATCHES "_avx512\\.c$")
        set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS
          "-mavx512f;-mavx512dq;-mavx512bw;-mavx512vl;-mfma;-mprfchw")
      endif()
    endforeach()
  else()
    list(FILTER files EXCLUDE REGEX "_avx(2|512)\\.c$")
    set(${list} ${files} PARENT_SCOPE)
  endif()
  if(SAC_FUZZ)
    # The inner loops compile for half a minute under clang's sanitizers, and no reader comes there.
    list(FILTER files INCLUDE REGEX "/isa_[^/]*\\.c$")
    set_property(SOURCE ${files} APPEND PROPERTY COMPILE_OPTIONS "-fno-sanitize=address,undefined,fuzzer-no-link")
  endif()
endfunction()

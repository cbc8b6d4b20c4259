# Sources made at build time: the compiled-in presets and the TensorBoard messages.
# Sets generated_sources (compiled with libsac) and generated_objects (compiled apart, without our warnings).

# scripts/configs/*.yaml and scripts/configs/gym/*.yaml -> sac_embedded_configs (src/util/embedded.h)
file(GLOB config_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/scripts/configs/*.yaml
     ${PROJECT_SOURCE_DIR}/scripts/configs/gym/*.yaml)
set(embedded ${PROJECT_BINARY_DIR}/generated/embedded_configs.c)
add_custom_command(
  OUTPUT ${embedded}
  COMMAND ${CMAKE_COMMAND} "-DFILES=${config_files}" -DOUTPUT=${embedded} -P ${PROJECT_SOURCE_DIR}/scripts/cmake/embed.cmake
  DEPENDS ${config_files} ${PROJECT_SOURCE_DIR}/scripts/cmake/embed.cmake
  COMMENT "Embedding scripts/configs" VERBATIM)
set(generated_sources ${embedded})

# src/formats/proto/*.proto -> generated/<name>.pb-c.{c,h}; include as "<name>.pb-c.h"
set(generated_objects "")
file(GLOB proto_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/formats/proto/*.proto)
if(proto_files)
  find_program(PROTOC_C protoc-c)
  if(NOT PROTOC_C)
    message(FATAL_ERROR "protoc-c not found: run scripts/setup")
  endif()
  set(proto_outputs "")
  foreach(proto IN LISTS proto_files)
    get_filename_component(stem ${proto} NAME_WE)
    set(output ${PROJECT_BINARY_DIR}/generated/${stem}.pb-c)
    add_custom_command(
      OUTPUT ${output}.c ${output}.h
      COMMAND ${PROTOC_C} --proto_path=${PROJECT_SOURCE_DIR}/src/formats/proto --c_out=${PROJECT_BINARY_DIR}/generated ${proto}
      DEPENDS ${proto} VERBATIM)
    list(APPEND proto_outputs ${output}.c ${output}.h)
  endforeach()
  add_library(sac_proto OBJECT ${proto_outputs})
  target_compile_options(sac_proto PRIVATE -w)
  target_link_libraries(sac_proto PRIVATE sac_dependencies)
  set(generated_objects $<TARGET_OBJECTS:sac_proto>)
  set(generated_headers_target sac_proto)
endif()

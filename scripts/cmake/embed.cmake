# cmake -DFILES=a.yaml;b.yaml -DOUTPUT=out.c [-DTABLE=config] -P embed.cmake: the files' bytes as C arrays, ordered by
# name, and sac_embedded_<TABLE>s, their table. A file's name is its own without the ending; a preset that says env.id
# has that id for a name, as ids hold characters that file names should not.
if(NOT TABLE)
  set(TABLE config)
endif()
set(named "")
foreach(file IN LISTS FILES)
  get_filename_component(name ${file} NAME_WLE)
  if(TABLE STREQUAL config)
    file(STRINGS ${file} id REGEX "^  id: ")
    if(id)
      string(REGEX REPLACE "^  id: +" "" name "${id}")
      if(NOT name MATCHES "^[A-Za-z0-9_.:/-]+$")
        message(FATAL_ERROR "${file}: env.id is to stand there as one types it, '  id: gym:ID', and not as '${name}'")
      endif()
    endif()
  endif()
  list(APPEND named "${name}|${file}")
endforeach()
list(SORT named)
set(arrays "")
set(table "")
set(count 0)
foreach(pair IN LISTS named)
  string(REGEX REPLACE "\\|.*" "" name "${pair}")
  string(REGEX REPLACE "^[^|]*\\|" "" file "${pair}")
  file(READ ${file} hex HEX)
  file(SIZE ${file} size)
  string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
  string(APPEND arrays "static const char file_${count}[] = {\n${bytes}'\\0'};\n\n")
  string(APPEND table "    {\"${name}\", file_${count}, ${size}},\n")
  math(EXPR count "${count} + 1")
endforeach()
if(NOT table)
  set(table "    {0, 0, 0},\n")
endif()
file(WRITE ${OUTPUT} "// Made by scripts/cmake/embed.cmake. Edits here are lost.
#include \"util/embedded.h\"

${arrays}const sac_embedded_file sac_embedded_${TABLE}s[] = {
${table}};
const size_t sac_embedded_${TABLE}_count = ${count};
")

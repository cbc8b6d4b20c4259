# cmake -DFILES=a.yaml;b.yaml -DOUTPUT=out.c [-DTABLE=config] -P embed.cmake: the files' bytes as C arrays, ordered by
# name, and sac_embedded_<TABLE>s, their table.
if(NOT TABLE)
  set(TABLE config)
endif()
set(arrays "")
set(table "")
set(count 0)
list(SORT FILES)
foreach(file IN LISTS FILES)
  get_filename_component(name ${file} NAME_WLE)
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

# sac_check_language(LANGUAGE): CheckLanguage's check_language, which remembers for good that there was no compiler. This
# asks again each time that CMake configures, as scripts/setup may have brought one since.
include(CheckLanguage)
macro(sac_check_language language)
  if(NOT CMAKE_${language}_COMPILER)
    unset(CMAKE_${language}_COMPILER CACHE)
  endif()
  check_language(${language})
endmacro()

# The functions that a module's CMakeLists.txt calls, as Zephyr's documentation of its CMake extensions describes
# them: a library is a target of its own, compiled as C99, and its whole archive is linked into the program.
add_library(zephyr_interface INTERFACE)
set_property(GLOBAL PROPERTY ZEPHYR_LIBS "")

macro(zephyr_library_named name)
  set(ZEPHYR_CURRENT_LIBRARY ${name})
  add_library(${name} STATIC)
  set_target_properties(${name} PROPERTIES C_STANDARD 99)
  target_link_libraries(${name} PUBLIC zephyr_interface)
  set_property(GLOBAL APPEND PROPERTY ZEPHYR_LIBS ${name})
endmacro()

function(zephyr_library_sources)
  foreach(source ${ARGN})
    target_sources(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/${source})
  endforeach()
endfunction()

function(zephyr_include_directories)
  target_include_directories(zephyr_interface INTERFACE ${ARGN})
endfunction()

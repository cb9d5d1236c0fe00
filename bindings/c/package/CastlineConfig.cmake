# find_package(Castline) gives Castline::castline (shared) and Castline::castline_static.
get_filename_component(_castline_root "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
include(CMakeFindDependencyMacro)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_dependency(Threads)

if(NOT TARGET Castline::castline)
  add_library(Castline::castline SHARED IMPORTED)
  set_target_properties(Castline::castline PROPERTIES
    IMPORTED_LOCATION "${_castline_root}/lib/libcastline.so"
    IMPORTED_SONAME "libcastline.so"
    INTERFACE_INCLUDE_DIRECTORIES "${_castline_root}/include")
endif()

if(NOT TARGET Castline::castline_static)
  add_library(Castline::castline_static STATIC IMPORTED)
  set_target_properties(Castline::castline_static PROPERTIES
    IMPORTED_LOCATION "${_castline_root}/lib/libcastline.a"
    INTERFACE_INCLUDE_DIRECTORIES "${_castline_root}/include"
    INTERFACE_LINK_LIBRARIES "Threads::Threads;${CMAKE_DL_LIBS};m")
endif()

unset(_castline_root)

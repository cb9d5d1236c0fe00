# For both processors.
set(CASTLINE_SDK_LIBRARY "${CMAKE_CURRENT_LIST_DIR}/libcastline.a")
set(CASTLINE_SDK_SYSTEM_LIBRARIES "-framework Security" "-framework CoreFoundation")
include("${CMAKE_CURRENT_LIST_DIR}/../castline-glue.cmake")

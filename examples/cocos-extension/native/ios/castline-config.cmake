# One file holds one platform: the simulator has its own, for on Apple's machines its processor is the device's.
if(CMAKE_OSX_SYSROOT MATCHES "[Ss]imulator")
  set(CASTLINE_SDK_LIBRARY "${CMAKE_CURRENT_LIST_DIR}/simulator/libcastline.a")
else()
  set(CASTLINE_SDK_LIBRARY "${CMAKE_CURRENT_LIST_DIR}/libcastline.a")
endif()
set(CASTLINE_SDK_SYSTEM_LIBRARIES "-framework Security" "-framework CoreFoundation")
include("${CMAKE_CURRENT_LIST_DIR}/../castline-glue.cmake")

set(CASTLINE_SDK_LIBRARY "${CMAKE_CURRENT_LIST_DIR}/castline.lib")
# What the Rust standard library and ring call.
set(CASTLINE_SDK_SYSTEM_LIBRARIES advapi32 bcrypt kernel32 ntdll userenv ws2_32)
include("${CMAKE_CURRENT_LIST_DIR}/../../castline-glue.cmake")

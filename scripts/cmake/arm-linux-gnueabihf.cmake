# Toolchain: 32-bit ARM (armv7 with floating point) under Linux, such as a BeagleBone.
# On Debian and Ubuntu: apt install gcc-arm-linux-gnueabihf libc6-dev-armhf-cross.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR armv7l)
set(CMAKE_C_COMPILER arm-linux-gnueabihf-gcc)

# Toolchain: 64-bit ARM under Linux, such as a Raspberry Pi 3 or newer, or a Jetson.
# On Debian and Ubuntu: apt install gcc-aarch64-linux-gnu libc6-dev-arm64-cross.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)

# libsac_policy: a trained actor alone. It needs only libm, so that it goes on the robot.
file(GLOB policy_sources CONFIGURE_DEPENDS src/policy/*.c)
add_library(sac_policy STATIC ${policy_sources})
target_link_libraries(sac_policy PRIVATE $<BUILD_INTERFACE:sac_flags> PUBLIC -lm)
target_include_directories(sac_policy PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                             $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
# gcc would gather the weights of eight outputs into vectors, number by number, which takes longer than eight sums.
target_compile_options(sac_policy PRIVATE -fno-tree-slp-vectorize)

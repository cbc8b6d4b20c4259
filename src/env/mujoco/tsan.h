/* What the thread sanitizer must be told of MuJoCo. Included by driver.c alone. */
#ifndef SAC_ENV_MUJOCO_TSAN_H
#define SAC_ENV_MUJOCO_TSAN_H

/* MuJoCo's threads receive a call and return its results through atomics inside the library, which the thread sanitizer
 * does not see. TSAN_RELEASE and TSAN_ACQUIRE tell the sanitizer of them. */
#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif
#ifdef __SANITIZE_THREAD__
void __tsan_acquire(void* at);
void __tsan_release(void* at);
__attribute__((visibility("default"))) const char* __tsan_default_suppressions(void);
const char* __tsan_default_suppressions(void) { return "called_from_lib:libmujoco.so\nrace:libmujoco.so\n"; }
#define TSAN_RELEASE(at) __tsan_release(at)
#define TSAN_ACQUIRE(at) __tsan_acquire(at)
#else
#define TSAN_RELEASE(at) ((void)0)
#define TSAN_ACQUIRE(at) ((void)0)
#endif

#endif

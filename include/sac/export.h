/* SAC_API marks the functions that the shared library exports. All others are hidden. */
#ifndef SAC_EXPORT_H
#define SAC_EXPORT_H

#if defined(__GNUC__)
#define SAC_API __attribute__((visibility("default")))
#else
#define SAC_API
#endif

#endif

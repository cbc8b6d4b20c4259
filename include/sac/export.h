/* Marks what the shared library exports; everything else is hidden. */
#ifndef SAC_EXPORT_H
#define SAC_EXPORT_H

#if defined(__GNUC__)
#define SAC_API __attribute__((visibility("default")))
#else
#define SAC_API
#endif

#endif

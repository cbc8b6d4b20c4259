/* The name of the program, for commands in messages: as the user called it, so that the command can be copied. */
#ifndef SAC_UTIL_PROGRAM_H
#define SAC_UTIL_PROGRAM_H

/* Keeps argv[0] as one word of a shell. NULL or "": the name stays. Call it before other threads start. */
void sac_program_set(const char* called);

/* "sac", "./build/release/sac" or "\"my tools/sac\"". In a process that is not the program: "sac". Safe in a signal
 * handler. */
const char* sac_program(void);

#endif

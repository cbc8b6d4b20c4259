/* Signals from outside. The first SIGINT, SIGTERM or SIGHUP asks a command to stop, and is answered by a line on
 * standard error at once; a second one ends the process. A signal that comes within a fifth of a second of the first
 * repeats it: programs that stop a process often send a signal twice. Signals that are ignored at the start stay
 * ignored; those that are blocked are let through. */
#ifndef SAC_CLI_SIGNALS_H
#define SAC_CLI_SIGNALS_H

#include <sac/run.h>

#include "config/settings.h"

/* Catches the signals from now on. answer: what the first one announces, behind its name: "stops after this step"; a
 * text that stays. for_run: 1 keeps SIGUSR1 and SIGUSR2 until sac_signals_attach knows what they mean; 0: the command
 * has no run, so SIGUSR2 stops it and SIGUSR1 does nothing. */
void sac_signals_catch(const char* answer, int for_run);

/* Lets signals reach the run: to stop it, or to write a checkpoint, by the keys signal.stop and signal.checkpoint. A
 * signal that has come before reaches it now. NULL: there is no run any more. answer: as above. */
void sac_signals_attach(sac_run* run, const sac_settings* settings, const char* answer);

/* The signal that asked to stop, as an exit code tells it: SIGINT, SIGTERM (also for signal.stop) or SIGHUP; 0: none.
 */
int sac_signals_caught(void);

/* Whether the next signal ends the process at once: nothing is left to save, one has come before, or none is caught. */
int sac_signals_end_at_once(void);

#endif

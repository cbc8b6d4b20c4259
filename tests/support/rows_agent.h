/* Agents with known transitions: the values of transition i of agent p depend on i and p alone. */
#ifndef TESTS_SUPPORT_ROWS_AGENT_H
#define TESTS_SUPPORT_ROWS_AGENT_H

#include "agent/agent.h"

enum { ROWS_OBS = 3, ROWS_ACTION = 2 };

/* A small agent. settings: more "key", "value" pairs, ending with NULL. */
sac_agent* rows_agent(const char* first_key, ...);

/* Pushes the next n transitions of each agent. */
void rows_push(sac_agent* agent, int64_t n);

/* Fails the test unless the ring of agent p holds exactly the last transitions, with the values of agent `as`. */
void rows_check(const sac_agent* agent, int32_t p, int32_t as);

/* Fails the test unless agent p of `a` equals agent q of `b` to the bit: tensors, moments, counters, statistics. */
void rows_same_agent(const sac_agent* a, int32_t p, const sac_agent* b, int32_t q);

#endif

/* sac envs --exact: prints the exact answer of an environment. */
#ifndef SAC_CLI_EXACT_H
#define SAC_CLI_EXACT_H

typedef struct sac_exact_request {
  const char* id;
  const char* options; /* JSON */
  const char* policy;  /* path of a policy whose values are printed too; NULL: none */
  double alpha;
  int json;
} sac_exact_request;

/* Returns the exit code, after a message where it is not that of success. */
int sac_exact_print(const sac_exact_request* request);

#endif

/* A shared object without an environment. */
int sac_env_plugins(void);
int sac_env_plugins(void) { return 0; }

/* A shared object that is no environment. */
int sac_env_plugins(void);
int sac_env_plugins(void) { return 0; }

/* Linked with --wrap=pthread_create into tests whose comment says "one-thread": starting a thread ends the test. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

int refuse_thread(pthread_t* thread, const pthread_attr_t* attributes, void* (*begin)(void*),
                  void* argument) __asm__("__wrap_pthread_create");

int refuse_thread(pthread_t* thread, const pthread_attr_t* attributes, void* (*begin)(void*), void* argument) {
  (void)thread, (void)attributes, (void)begin, (void)argument;
  fprintf(stderr, "a thread starts: take one-thread out of the test's ctest comment\n");
  abort();
}

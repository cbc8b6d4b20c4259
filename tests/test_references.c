/* The reference returns: of existing tasks, each once, with a source. */
#include <math.h>
#include <string.h>

#include "env/list.h"
#include "env/references.h"
#include "support/check_main.h"
#include "util/embedded.h"

/* Whether a task is in the list of names, or has a preset. */
static int listed(const char* id) {
  for (size_t i = 0; i < sac_embedded_config_count; i++)
    if (strcmp(sac_embedded_configs[i].name, id) == 0) return 1;
  return sac_env_entry_find(id) != NULL;
}

START_TEST(every_figure_is_of_a_listed_task_and_has_a_source) {
  ck_assert_int_ge(sac_reference_count, 20);
  for (int32_t i = 0; i < sac_reference_count; i++) {
    const sac_reference* one = &sac_references[i];
    ck_assert_msg(listed(one->id), "%s is nowhere listed", one->id);
    ck_assert_msg(sac_reference_find(one->id) == one, "%s stands there twice", one->id);
    ck_assert_msg(isfinite(one->mean), "%s", one->id);
    ck_assert_msg(isnan(one->spread) || one->spread >= 0, "%s", one->id);
    ck_assert_msg(strlen(one->source) > 10, "%s", one->id);
  }
}
END_TEST

START_TEST(figures_are_found_by_task) {
  ck_assert_ptr_nonnull(sac_reference_find("HalfCheetah-v5"));
  ck_assert_ptr_eq(sac_reference_find("gym:HalfCheetah-v5"), sac_reference_find("HalfCheetah-v5"));
  ck_assert_ptr_ne(sac_reference_find("gym:Ant-v4"), sac_reference_find("Ant-v5"));
  ck_assert_ptr_null(sac_reference_find("gym:my_package:HalfCheetah-v5"));
  ck_assert_ptr_null(sac_reference_find("SacQuadratic-v0"));
  ck_assert_ptr_null(sac_reference_find(""));
}
END_TEST

START_TEST(sources_of_dynamics) {
  ck_assert_str_eq(sac_env_source("Pendulum-v1"), "built in");
  ck_assert_str_eq(sac_env_source("Hopper-v5"), "MuJoCo");
  ck_assert_str_eq(sac_env_source("gym:Hopper-v5"), "Gymnasium");
  ck_assert_str_eq(sac_env_source("./libmyenv.so"), "plugin");
}
END_TEST

CHECK_MAIN("references", CASE(every_figure_is_of_a_listed_task_and_has_a_source), CASE(figures_are_found_by_task),
           CASE(sources_of_dynamics))

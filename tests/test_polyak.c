#include "kernels/polyak.h"

#include "support/formulas.h"

#define R ((double)SAC_REAL_EPSILON)

START_TEST(ends_are_exact) {
  const real values[] = {0, 1, (real)-3.7, (real)1e-20, (real)1e20};
  for (size_t i = 0; i < COUNT(values); i++)
    for (size_t j = 0; j < COUNT(values); j++) {
      ck_assert(sac_polyak(values[i], values[j], 1) == values[j]);
      ck_assert(sac_polyak(values[i], values[j], 0) == values[i]);
    }
}
END_TEST

START_TEST(weighted_mean) {
  ck_assert(sac_polyak(8, 4, (real)0.25) == 7);
  for (int i = -7; i <= 7; i++)
    for (int j = -7; j <= 7; j++) {
      const double target = 0.7 * i, source = 0.9 * j;
      ck_near((double)sac_polyak((real)target, (real)source, (real)0.005), 0.005 * source + 0.995 * target,
              2 * R * (fabs(source) + fabs(target)));
    }
}
END_TEST

/* n steps towards a constant source leave (1 - tau)^n of the difference. */
START_TEST(decays_geometrically) {
  real target = 2;
  for (int n = 1; n <= 1000; n++) {
    target = sac_polyak(target, 1, (real)0.005);
    ck_near(target, 1 + pow(0.995, n), 400 * R); /* each step adds an ulp, and reduces the earlier errors by 0.5% */
  }
}
END_TEST

START_TEST(nan_is_not_hidden) {
  ck_assert(sac_is_nan(sac_polyak(not_a_number, 1, (real)0.5)) && sac_is_nan(sac_polyak(1, not_a_number, (real)0.5)));
}
END_TEST

CHECK_MAIN(SUITE("polyak"), CASE(ends_are_exact), CASE(weighted_mean), CASE(decays_geometrically),
           CASE(nan_is_not_hidden))

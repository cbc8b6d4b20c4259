// Target networks: each weight is an exponential average of the same weight of its source network.
// Lillicrap et al. 2015, arXiv 1509.02971, algorithm 1; arXiv 1812.05905, algorithm 1.
#ifndef SAC_KERNELS_POLYAK_H
#define SAC_KERNELS_POLYAK_H

#include "kernels/real.h"

// [polyak] theta_bar <- tau theta + (1 - tau) theta_bar. tau = 1 copies exactly, tau = 0 keeps exactly.
SAC_FN real sac_polyak(real target, real source, real tau) { return tau * source + ((real)1 - tau) * target; }

#endif

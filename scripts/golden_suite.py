"""The golden updates in tests/golden/updates: name -> options of golden.py. They are small: all together less than
1.5 MB."""

SUITE = {
    "sac": "--obs 3 --act 1 --hidden 16,16 --batch 8 --updates 5",
    "sac-ones": "--obs 1 --act 1 --hidden 1 --batch 1 --critics 1 --updates 6 --seed 4",
    "sac-odd": "--obs 5 --act 3 --hidden 7,13 --batch 31 --updates 4",
    "sac-wide": "--obs 17 --act 6 --hidden 40,36 --batch 33 --updates 2",
    "sac-one-layer": "--obs 4 --act 2 --hidden 19 --batch 17 --updates 3",
    "sac-three-layers": "--obs 4 --act 2 --hidden 9,17,5 --batch 12 --updates 3",
    "sac-one-critic": "--obs 3 --act 2 --hidden 8,8 --batch 16 --critics 1 --updates 4",
    "sac-five-critics": "--obs 3 --act 2 --hidden 8,6 --batch 16 --critics 5 --updates 4",
    "sac-saturated": "--obs 3 --act 2 --hidden 8,8 --batch 16 --mean-bias 25 --updates 4",
    "sac-saturated-critics": "--obs 2 --act 3 --hidden 8 --batch 16 --mean-bias 9 --log-alpha -6 --updates 4",
    "sac-clamped-below": "--obs 3 --act 2 --hidden 8,8 "
    "--batch 16 --log-std-bias -20.4 --obs-scale 3 --updates 4",
    "sac-clamped-above": "--obs 3 --act 2 --hidden 8,8 "
    "--batch 16 --log-std-bias 1.6 --obs-scale 3 --updates 4",
    "sac-clamp-bounds": "--obs 3 --act 2 --hidden 8,8 "
    "--batch 16 --obs-scale 2 --log-std-min 0.1 --log-std-max 0.4 --updates 4",
    "sac-fixed-alpha": "--obs 3 --act 1 --hidden 8,8 --batch 10 --alpha fixed --log-alpha -1.6 --updates 4",
    "sac-target-entropy": "--obs 3 --act 2 --hidden 8,8 "
    "--batch 10 --target-entropy 0.7 --log-alpha 0.4 --updates 4",
    "sac-reward-scale": "--obs 3 --act 1 --hidden 8,8 --batch 10 --reward-scale 20 --gamma 0.9 --updates 4",
    "sac-tau-one": "--obs 3 --act 1 --hidden 8,8 --batch 10 --tau 1 --updates 4",
    "sac-terminated": "--obs 3 --act 1 --hidden 8,8 --batch 10 --terminated 1 --updates 3",
    "sac-bootstrap": "--obs 3 --act 1 --hidden 8,8 --batch 10 --terminated 0 --gamma 1 --updates 3",
    "sac-long": "--obs 2 --act 1 --hidden 6,5 --batch 7 --lr 0.01 --tau 0.05 --updates 40",
    "sac-v": "--algo sac-v --obs 3 --act 1 --hidden 16,16 --batch 8 --updates 5",
    "sac-v-ones": "--algo sac-v --obs 1 --act 1 --hidden 1 --batch 1 --critics 1 --updates 6 --seed 4",
    "sac-v-odd": "--algo sac-v --obs 5 --act 3 --hidden 7,13 --batch 31 --updates 4",
    "sac-v-three-layers": "--algo sac-v --obs 4 --act 2 --hidden 9,17,5 --batch 12 --updates 3",
    "sac-v-five-critics": "--algo sac-v --obs 3 --act 2 --hidden 8,6 --batch 16 --critics 5 --updates 4",
    "sac-v-saturated": "--algo sac-v --obs 3 --act 2 --hidden 8,8 --batch 16 --mean-bias 25 --updates 4",
    "sac-v-clamped-below": "--algo sac-v --obs 3 --act 2 --hidden 8,8 "
    "--batch 16 --log-std-bias -20.4 --obs-scale 3 --updates 4",
    "sac-v-fixed-alpha": "--algo sac-v --obs 3 --act 1 --hidden 8,8 "
    "--batch 10 --alpha fixed --log-alpha 0 --reward-scale 5 --updates 4",
    "sac-v-long": "--algo sac-v --obs 2 --act 1 --hidden 6,5 --batch 7 --lr 0.01 --tau 0.05 --updates 40",
    "sac-discrete": "--algo sac-discrete --obs 4 --act 2 --hidden 16,16 --batch 8 --updates 5",
    "sac-discrete-odd": "--algo sac-discrete --obs 5 --act 18 --hidden 7,13 --batch 33 --updates 3",
    "sac-discrete-one-critic": "--algo sac-discrete --obs 3 --act 3 --hidden 8 --batch 16 --critics 1 --updates 4",
    "sac-discrete-five-critics": "--algo sac-discrete --obs 3 --act 5 --hidden 8,6 --batch 16 --critics 5 --updates 4",
    "sac-discrete-mean": "--algo sac-discrete --obs 3 --act 4 --hidden 8,8 "
    "--batch 16 --critics 3 --critics-join mean --alpha fixed --log-alpha -1.6 --reward-scale 5 --updates 4",
    "sac-discrete-linear": "--algo sac-discrete --obs 6 --act 4 --hidden [] "
    "--batch 9 --lr 0.01 --tau 0.05 --updates 20",
    "sac-discrete-alpha-bounds": "--algo sac-discrete --obs 3 --act 2 --hidden 8,8 "
    "--batch 10 --lr 0.01 --log-alpha -0.7 --alpha-min 0.49 --alpha-max 0.6 --updates 6",
    "sac-discrete-saturated": "--algo sac-discrete --obs 3 --act 2 --hidden 8,8 --batch 16 --logit-bias 8 --updates 4",
    "sac-discrete-underflow": "--algo sac-discrete --obs 3 --act 4 --hidden 8,8 "
    "--batch 16 --logit-bias 60 --target-entropy 0.3 --updates 4",
    "sac-discrete-large-q": "--algo sac-discrete --obs 3 --act 4 --hidden 8,8 "
    "--batch 16 --q-scale 1000 --reward-spread 300 --log-alpha -4.6 --lr 3e-3 --updates 4",
    "soft-q": "--algo soft-q --obs 4 --act 2 --hidden 16,16 --batch 8 --updates 5",
    "soft-q-odd": "--algo soft-q --obs 5 --act 18 --hidden 7,13 --batch 33 --updates 3",
    "soft-q-one-critic": "--algo soft-q --obs 3 --act 3 --hidden 8 --batch 16 --critics 1 --updates 4",
    "soft-q-five-critics": "--algo soft-q --obs 3 --act 5 --hidden 8,6 --batch 16 --critics 5 --updates 4",
    "soft-q-mean": "--algo soft-q --obs 3 --act 4 --hidden 8,8 "
    "--batch 16 --critics 3 --critics-join mean --alpha fixed --log-alpha -1.6 --reward-scale 5 --updates 4",
    "soft-q-linear": "--algo soft-q --obs 6 --act 4 --hidden [] --batch 9 --lr 0.01 --tau 0.05 --updates 20",
    "soft-q-alpha-bounds": "--algo soft-q --obs 3 --act 2 --hidden 8,8 "
    "--batch 10 --lr 0.01 --log-alpha -0.7 --target-entropy 1 --alpha-min 0.4 --alpha-max 0.503 --updates 6",
    "soft-q-saturated": "--algo soft-q --obs 3 --act 3 --hidden 8,8 --batch 16 --log-alpha -4.6 --updates 4",
    "soft-q-large-q": "--algo soft-q --obs 3 --act 4 --hidden 8,8 "
    "--batch 16 --q-scale 1000 --reward-spread 300 --log-alpha -4.6 --lr 3e-3 --updates 4",
}  # fmt: skip

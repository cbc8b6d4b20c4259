"""Worker processes, which step environments at the same time. Runs in the names of bridge.py: module.c runs both files
in sac's process, and a worker process runs them too."""
import errno
import fcntl
import json
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
import time

WORKERS_FROM = 4         # with fewer environments worker processes are not considered
WORKERS_COST = 100e-6    # seconds that the way to worker processes and back takes in a step, on a busy machine
WORKER_COST = 30e-6      # and for each worker
CLOSE_SECONDS = 30       # that worker processes have for the close() of their environments; then they are killed
CLOSED_CODE = 98         # exit code of a worker process whose channel an environment has closed
TIMERS = (signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF)
TIMED_STEPS, TIMED_SECONDS = 25, 0.2  # the most steps and seconds to measure how long a step takes


# --- both sides of a channel ------------------------------------------------------------------------------------------


def receive(channel, size):
    data = b""
    while len(data) < size:
        part = channel.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def send(channel, data):
    while data:
        data = data[channel.send(data, socket.MSG_NOSIGNAL):]


def receive_sized(channel):
    """A message behind its size."""
    return receive(channel, int.from_bytes(receive(channel, 4), "little"))


def sized(data):
    return len(data).to_bytes(4, "little") + data


# --- sac's side -------------------------------------------------------------------------------------------------------


class Worker:
    """A process with some of the environments. A request is one letter: b (bind the arrays), r (reset), s (step), o
    (beyond), i (the columns of info follow), g (8 bytes follow that seed the generators). The answer is empty, or JSON [config, text]: an
    error, or with config null a result. The numbers lie in shared memory. The process ends when its channel is closed,
    so it ends with sac, also after a crash."""

    START = "import socket, sys; c = socket.socket(fileno=int(sys.argv[1])); n = int(sys.argv[2]); s = b''\n" \
            "while len(s) < n: s += c.recv(n - len(s)) or sys.exit()\n" \
            "g = {'OWN': 0, '__name__': 'sac_gym'}; exec(compile(s, '<sac>', 'exec'), g); g['work'](c)"

    def __init__(self, name, options, first, last, memory, n):
        self.what = f"worker process of environments {first} to {last - 1}"
        self.first, self.last, self.failed = first, last, False

        # Start Python. It inherits only its own end of the channel, which we close here: so each side notices when the
        # other ends.
        source = "\n".join(FILES[name] for name in ("bridge", "choices", "errors", "generators", "local", "spaces", "values", "workers")).encode()
        self.channel, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-c", self.START, str(theirs.fileno()), str(len(source))],
                pass_fds=(theirs.fileno(), memory), stdin=subprocess.DEVNULL, stdout=2, start_new_session=True, cwd=START,
                env=dict(os.environ, PYTHONHASHSEED=os.environ.get("PYTHONHASHSEED", "0")))

        # What it runs, and with which environments.
        setting = json.dumps([name, options, first, last, memory, n, SEED, sys.path]).encode()
        self.request(source + sized(setting))

    def request(self, data):
        try:
            send(self.channel, data)
        except OSError:
            self.fail()

    def answer(self):
        try:
            text = receive_sized(self.channel)
        except (OSError, EOFError):
            self.fail()
        config, result = json.loads(text) if text else (None, None)
        if config is not None:
            raise EnvError(result, config)
        return result

    def fail(self):
        """Raises the error of a process that ended."""
        self.failed = True
        try:
            code = self.process.wait(5)
        except subprocess.TimeoutExpired:
            code = None
        raise EnvError(f"{self.what} (process {self.process.pid}) {how_it_ended(code)}") from None

    def close(self, until):
        """Waits for the end of the process, which its closed channel causes. until: the time.monotonic() to kill it."""
        self.channel.close()
        try:
            self.process.wait(max(0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            say(f"{self.what} (process {self.process.pid}) was killed: close() took longer than {CLOSE_SECONDS} s")
        else:
            if self.process.returncode and not self.failed:
                say(f"{self.what} (process {self.process.pid}) {how_it_ended(self.process.returncode)} in close(), or after it")


def how_it_ended(code):
    """What happened to a process, in words. code: its exit code, or the negative number of its signal; None: it goes on."""
    if code is None or code == CLOSED_CODE:
        return "has lost its channel: an environment closed file descriptors that are not its own (os.closerange?)"
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:  # a real-time signal
        name = "a signal of a program's own"
    cause = ", by the system if memory ran out" if -code == signal.SIGKILL else ""
    if -code in TIMERS:
        cause = ", a timer of an environment without a handler"
    return f"was killed by signal {-code} ({name}){cause}"


class Workers:
    """n environments, divided among `count` processes. They can be used after bind."""

    def __init__(self, name, options, count, memory, n):
        self.all, self.mask, self.names = [], None, Names()
        try:
            # Start all processes before waiting for any of them.
            for k in range(count):
                self.all.append(Worker(name, options, k * n // count, (k + 1) * n // count, memory, n))

            # The first one tells the sizes.
            sizes = [worker.answer() for worker in self.all]
            check_equal([(worker.first, one) for worker, one in zip(self.all, sizes)])
            self.sizes = sizes[0]
        except BaseException:
            self.close()
            raise

    def call(self, data, workers):
        """Sends a request to these workers and waits for all answers, which it returns. Raises the first error."""
        errors, results = [], []

        def each(function, workers):
            """Those for which the function succeeds."""
            for worker in workers:
                try:
                    function(worker)
                    yield worker
                except EnvError as error:
                    errors.append(error)

        # Every answer is read, so that the next call does not find an old one.
        asked = list(each(lambda worker: worker.request(data), workers))
        list(each(lambda worker: results.append(worker.answer()), asked))
        if errors:
            raise errors[0]
        return results

    def bind(self, mask):
        """Lets the processes use the block, which has its size now. mask: its array that says what reset resets."""
        self.mask = mask
        self.call(b"b", self.all)

    def seed(self, seed):
        seed_generators(seed, library=False)
        self.call(b"g" + seed.to_bytes(8, "little"), self.all)

    def beyond(self):
        """As Local.beyond."""
        return next(filter(None, self.call(b"o", self.all)), None)

    def reset(self):
        self.call(b"r", [worker for worker in self.all if any(self.mask[worker.first:worker.last])])

    def step(self):
        """Steps all. New terms of info get columns, which every worker must know."""
        fresh = [tuple(key) if isinstance(key, list) else key for keys in self.call(b"s", self.all) for key in keys or ()]
        if not fresh or not self.names.add(fresh):
            return None
        self.call(b"i" + sized(json.dumps(list(self.names.at.items())).encode()), self.all)
        return self.names.names

    def close(self):
        until = time.monotonic() + CLOSE_SECONDS
        for worker in self.all:
            worker.channel.close()  # all channels first, so that the processes end at the same time
        for worker in self.all:
            worker.close(until)


# --- a worker process's side ------------------------------------------------------------------------------------------


def answer(channel, function, *arguments):
    """Calls the function and sends its result or its error. Returns whether it succeeded."""
    data, success = b"", False
    try:
        result = function(*arguments)
        data, success = b"" if result is None else json.dumps([None, result]).encode(), True
    except BaseException as error:
        if CHILD:
            end_child(error)
        data = json.dumps([getattr(error, "config", False) is True, describe(error)]).encode()
    if CHILD:
        end_child()
    send(channel, sized(data))
    return success


def moved_up(descriptor):
    """The same file under a high number, which code that closes low ones leaves alone; the low number is closed."""
    most = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 2**16)
    for low in (most - 64, most // 2):
        try:
            up = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, low)
        except OSError:  # beyond the limit
            continue
        os.close(descriptor)
        return up
    return descriptor


def pass_timers_on():
    """A timer that an environment sets, without a handler, stops the run after a checkpoint, as in sac's own process."""
    parent = os.getppid()

    def pass_on(number, frame):
        if CHILD:  # a process that an environment has forked, which the signal would have ended
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif os.getppid() == parent:
            os.kill(parent, number)

    for number in TIMERS:
        signal.signal(number, pass_on)


def work(channel):
    """The main function of a worker process."""
    sys.meta_path.insert(0, MuJoCoLog)
    warnings.showwarning = show_warning
    channel = socket.socket(fileno=moved_up(channel.detach()))
    pass_timers_on()
    local, memory, code = None, None, 0

    def seed_again(seed):
        seed_generators(mixed(seed, local.first))
        local.seed_spaces(seed)

    def start():
        """Makes the environments. Returns the sizes and bounds of the first."""
        global START
        nonlocal local, memory
        START, memory = working_folder(), moved_up(memory)
        import_gymnasium()  # with NumPy, whose generator is seeded too
        seed_generators(mixed(seed, first))
        local = Local(name, options, first, last)
        local.seed_spaces(seed)
        return sizes_of(local.all[0])

    def bind():
        local.bind(mmap.mmap(memory, 0), n)
        os.close(memory)

    def step():
        local.step_all()
        return local.info.take_fresh() or None

    try:
        name, options, first, last, memory, n, seed, sys.path[:] = json.loads(receive_sized(channel))
        going = answer(channel, start)
        while going:
            letter = receive(channel, 1)
            if letter == b"i":
                answer(channel, local.info.set_columns, json.loads(receive_sized(channel)))
            elif letter == b"g":
                answer(channel, seed_again, int.from_bytes(receive(channel, 8), "little"))
            else:
                answer(channel, {b"b": bind, b"o": local.beyond, b"r": local.reset, b"s": step}[letter])
    except EOFError:  # sac has closed the channel, or has ended
        pass
    except OSError as error:
        code = CLOSED_CODE if error.errno in (errno.EBADF, errno.ENOTSOCK) else 0
    if local:
        local.close()
    if code:
        os._exit(code)
    channel.close()


# --- how many workers -------------------------------------------------------------------------------------------------


def worker_count(n, options):
    """The number that the option sac_workers sets, 0 for few environments, and otherwise None: to be measured."""
    asked = options.pop("sac_workers", None)
    if asked is not None and (not isinstance(asked, int) or isinstance(asked, bool) or not 0 <= asked <= 1024):
        raise EnvError(f"env.options.sac_workers = {asked} is no number of processes: 0 to 1024", True)
    return min(n, asked) if asked is not None else None if n >= WORKERS_FROM else 0


def step_seconds(one):
    """The median time of a step with random actions. Infinity when a step fails: its error is reported in use."""
    times, end = [], time.perf_counter() + TIMED_SECONDS
    try:
        one.env.reset(seed=0)
        while len(times) < TIMED_STEPS and (not times or time.perf_counter() < end):
            action = one.env.action_space.sample()
            start = time.perf_counter()
            _, _, terminated, truncated, _ = one.env.step(action)
            times.append(time.perf_counter() - start)
            if terminated or truncated:
                one.env.reset()
    except Exception:
        return float("inf")
    return sorted(times)[len(times) // 2]


def fastest_count(n, seconds):
    """The number of workers that step n environments fastest when one step takes `seconds`. It changes no result."""
    def cost(count):
        return seconds * -(-n // count) + WORKERS_COST + WORKER_COST * count if count else seconds * n

    cores = len(os.sched_getaffinity(0))
    return min((0, *range(2, min(n, cores) + 1)), key=cost) if seconds < float("inf") else min(n, cores)

// Shared memory: the program's __shared__ variables, which are static here, and the dynamic memory of the blocks that
// run together.
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <unordered_map>

#include "internal.h"

namespace cuda_host {
namespace {

struct variable {
  unsigned char* address;
  size_t size;
};
std::vector<variable> variables;                               // every __shared__ of the program
std::unordered_map<const void*, std::vector<size_t>> used_by;  // kernel -> the variables that it writes
unsigned char* dynamic_memory;
size_t dynamic_capacity;

// With clang the sanitizer's red zones may lie inside the variables, so neither checks nor a checked memset are
// possible.
__attribute__((no_sanitize("address", "undefined"))) void fill(const variable& v) {
  static_assert(poison == 0xff, "every bit");
  size_t i = 0;
  for (; i < v.size && reinterpret_cast<uintptr_t>(v.address + i) % 8; i++)
    *const_cast<volatile unsigned char*>(v.address + i) = poison;
  for (; i + 8 <= v.size; i += 8) *reinterpret_cast<volatile uint64_t*>(v.address + i) = ~uint64_t{0};
  for (; i < v.size; i++) *const_cast<volatile unsigned char*>(v.address + i) = poison;
}
__attribute__((no_sanitize("address", "undefined"))) bool untouched(const variable& v) {
  size_t i = 0;
  for (uint64_t eight; i + sizeof eight <= v.size; i += sizeof eight) {
    __builtin_memcpy(&eight, v.address + i, sizeof eight);
    if (eight != ~uint64_t{0}) return false;
  }
  for (; i < v.size; i++)
    if (v.address[i] != poison) return false;
  return true;
}

// Finds the symbols that __shared__ has tagged, in one loaded file.
int find_in_file(dl_phdr_info* info, size_t, void*) {
  const char* name = info->dlpi_name && *info->dlpi_name ? info->dlpi_name : "/proc/self/exe";
  const int file = open(name, O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (file < 0 || fstat(file, &status) || status.st_size < static_cast<off_t>(sizeof(ElfW(Ehdr)))) {
    if (file >= 0) close(file);
    return 0;
  }

  // Read the symbol tables of the file.
  const size_t size = static_cast<size_t>(status.st_size);
  const unsigned char* image = static_cast<unsigned char*>(mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0));
  close(file);
  if (image == MAP_FAILED) return 0;
  const auto* header = reinterpret_cast<const ElfW(Ehdr)*>(image);
  if (!memcmp(image, ELFMAG, SELFMAG) && header->e_shoff &&
      header->e_shoff + header->e_shnum * sizeof(ElfW(Shdr)) <= size) {
    const auto* sections = reinterpret_cast<const ElfW(Shdr)*>(image + header->e_shoff);
    for (unsigned s = 0; s < header->e_shnum; s++) {
      if (sections[s].sh_type != SHT_SYMTAB) continue;
      const auto* symbols = reinterpret_cast<const ElfW(Sym)*>(image + sections[s].sh_offset);
      const char* names = reinterpret_cast<const char*>(image + sections[sections[s].sh_link].sh_offset);
      for (size_t i = 0; i < sections[s].sh_size / sizeof *symbols; i++)
        if ((symbols[i].st_info & 0xf) == STT_OBJECT && symbols[i].st_shndx &&
            strstr(names + symbols[i].st_name, "B10sac_shared"))
          variables.push_back(
              {reinterpret_cast<unsigned char*>(info->dlpi_addr + symbols[i].st_value), symbols[i].st_size});
    }
  }
  munmap(const_cast<unsigned char*>(image), size);
  return 0;
}

void find_once() {
  static bool done;
  if (done) return;
  done = true;
  dl_iterate_phdr(find_in_file, nullptr);
  for (const variable& v : variables) fill(v);
}

}  // namespace

void take_dynamic(size_t size, unsigned blocks, unsigned char* memory[]) {
  find_once();
  const size_t each = size / 4096 * 4096 + 4096, whole = each * blocks;
  if (whole > dynamic_capacity) {
    if (dynamic_memory) ASAN_UNPOISON_MEMORY_REGION(dynamic_memory, dynamic_capacity);
    free(dynamic_memory);
    dynamic_capacity = whole;
    dynamic_memory = static_cast<unsigned char*>(aligned_alloc(4096, whole));
    if (!dynamic_memory) abort();
  }
  ASAN_POISON_MEMORY_REGION(dynamic_memory, dynamic_capacity);
  for (unsigned b = 0; b < blocks; b++) {
    memory[b] = dynamic_memory + b * each;
    ASAN_UNPOISON_MEMORY_REGION(memory[b], size);
  }
}

bool learn_shared(const void* kernel) {
  std::vector<size_t>& used = used_by[kernel];
  for (size_t i = 0; i < variables.size(); i++) {
    if (untouched(variables[i])) continue;
    bool known = false;
    for (const size_t u : used) known = known || u == i;
    if (!known) used.push_back(i);
  }
  return !used.empty();
}

void poison_shared(const void* kernel) {
  for (const size_t u : used_by[kernel]) fill(variables[u]);
}

bool is_shared_variable(const void* pointer, size_t size) {
  const auto p = reinterpret_cast<uintptr_t>(pointer);
  for (const variable& v : variables) {
    const auto a = reinterpret_cast<uintptr_t>(v.address);
    if (p >= a && p + size <= a + v.size) return true;
  }
  return false;
}

}  // namespace cuda_host

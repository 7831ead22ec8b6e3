"""Go executables: ELF, pclntab, moduledata, type descriptors, build info, allocation sites."""

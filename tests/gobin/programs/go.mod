module memsnap.test/programs

go 1.18

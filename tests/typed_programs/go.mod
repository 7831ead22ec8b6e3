module memsnap.test/typed

go 1.21

module memsnap.test/scenarios

go 1.21

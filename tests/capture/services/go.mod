module memsnap.test/capture

go 1.21

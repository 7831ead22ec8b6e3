module memsnap.test/plugins

go 1.21

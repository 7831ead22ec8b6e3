module memsnap.demo/shop

go 1.21

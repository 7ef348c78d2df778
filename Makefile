# For hands that type make; ./dev is the real door.
.PHONY: up test lint

up:
	./dev up

test:
	./dev test

lint:
	./dev lint

# SPDX-License-Identifier: Apache-2.0
#
# docker build --build-arg REVISION=$(git describe --always --dirty) -t onlooker .
# docker run --pid=host --cap-drop=ALL --cap-add=BPF --cap-add=PERFMON --cap-add=SYS_PTRACE \
#	--cap-add=DAC_READ_SEARCH --security-opt seccomp=unconfined \
#	--security-opt apparmor=unconfined \
#	-v /sys/fs/cgroup:/host/cgroup:ro -p 9750:9750 onlooker

FROM debian:12-slim AS build
WORKDIR /source
COPY tests/install tests/packages.txt tests/
RUN tests/install build && rm -rf /var/lib/apt/lists/*
COPY Makefile ./
COPY vmlinux vmlinux
COPY include include
COPY bpf bpf
COPY user user
ARG REVISION=unknown
RUN make -j"$(nproc)" install REVISION="$REVISION" PREFIX=/usr DESTDIR=/image

FROM debian:12-slim
RUN apt-get update \
	&& apt-get install -y --no-install-recommends \
		ca-certificates libbpf1 libcurl4 libelf1 libjansson4 libmicrohttpd12 \
		libprotobuf-c1 libseccomp2 zlib1g \
	&& rm -rf /var/lib/apt/lists/*
COPY --from=build /image/usr/bin/onlooker /usr/bin/onlooker
COPY LICENSE LICENSE.GPL-2.0 /usr/share/doc/onlooker/
EXPOSE 9750
ENTRYPOINT ["/usr/bin/onlooker"]

import subprocess,sys,os,glob
def cb(*w): return subprocess.run([sys.executable,"-m","callboard",*w],capture_output=True,timeout=30)
for f in glob.glob("st.db*"): 
    if os.path.isfile(f): os.remove(f)
S=["--store","sqlite:///st.db"]
deep="["*60000
vals=["NaN","1e999",deep,deep+"]"*60000,"["*950+"]"*950,"["*480+"]"*480,b'"\xff"',b"\xff",'"\\ud800"',"9"*30,"9"*5000,"-Infinity"]
for v in vals:
    for key in "xnis":
        p=cb("run","any.yaml","--input",(key+"=").encode()+(v if isinstance(v,bytes) else v.encode()),"--run-id","r",*S)
        if p.returncode==3 or b"run r of" in p.stderr: os.remove("st.db")
        print(v[:12],key,p.returncode,os.path.exists("st.db"),p.stderr[-180:].decode(errors="replace").strip())
